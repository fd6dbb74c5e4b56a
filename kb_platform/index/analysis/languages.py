"""What analysis knows of each language: words that carry no meaning, endings, how numbers are written. And which language a text is in.

Words stand here as they are after folding: lower case, without accents; "don't" is "dont". English comes first: it wins where nothing
tells languages apart. `plain` is for all others: words as they are.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from threading import local

from Stemmer import Stemmer

_STOP_WORDS = {
    "english": "a about am an and are arent as at be been but by can cant could did didnt do does doesnt dont for from had has have he her "
    "his how i if im in into is isnt it its ive me my no not of on or our she should so such than that the their them then there these "
    "they this those to was we were what when where which who whom whose why will with would you your",
    "french": "a ai au aux avec c ce ces cet cette comme d dans de des donc du elle elles en est et etait etre eu fait il ils j je l la le les leur "
    "leurs lui m mais me meme mes mon n ne ni nos notre nous on ont ou par pas peut plus pour qu quand que quel quelle quels qui quoi s sa "
    "sans se ses si son sont sous sur t ta te tes ton tout tous toute toutes tu un une vos votre vous y",
    "german": "aber als am an auch auf aus bei beim bis da damit dann das dass dein dem den der des die dies diese diesem diesen dieser dieses "
    "doch du durch ein eine einem einen einer eines er es fur haben hat ich ihm ihn ihr ihre im in ins ist ja jede jeder jedes kann kein "
    "keine man mein mit muss nach nicht noch nun nur ob oder ohne sein seine sich sie sind so soll uber um und uns unser unter vom von vor "
    "wann war warum was wegen welche welcher welches wenn wer werden wie wird wo wurde zu zum zur",
    "spanish": "a al algo ante antes como con cual cuales cuando cuanto de del desde donde dos e el ella ellas ellos en entre era es esa ese eso esta "
    "estan estar este esto estos fue ha han hasta hay la las le les lo los mas me mi muy ni no nos o para pero por porque puede que quien se "
    "segun ser si sin sobre son su sus te tiene tu un una uno unos y ya",
    "italian": "a ad ai al alla alle allo anche c che chi ci come con cui d da dai dal dalla dalle dei del della delle dello di dopo dove e ed "
    "era essere fra gli ha hanno i il in io l la le lo loro ma mi ne nei nel nella nelle no noi non o ogni per perche piu puo quale quali "
    "quando quanto quella quello questa questo se senza si sia sono su sua sue sui sul sulla suo tra tu un una uno vi voi",
    "portuguese": "a ao aos as ate com como da das de dela dele do dos e ela elas ele eles em entre era essa esse esta estao estas este foi ha isso "
    "isto ja la mais mas me meu minha muito na nao nas nem no nos num numa o onde os ou para pela pelas pelo pelos por porque qual quais quando "
    "que quem se sem ser seu seus so sua suas tambem tem um uma uns voce",
    "dutch": "aan al als bij dan dat de deze die dit door een en er geen had hebben heeft het hij hoe hun ik in is je kan maar me meer met mijn moet "
    "na naar niet nog nu of om omdat onder ons onze ook op over te tegen tot u uit uw van veel voor waar wanneer waren was wat we welke werd "
    "wie wij wordt worden zal ze zich zij zijn zo zonder zou",
    "swedish": "alla an att av da dar de dem den denna det detta dig din du efter eller en er ett fran for ga genom han har hon hur i icke inte jag "
    "kan man med mellan men mig min mot nar ni nu nagon nagot och om oss pa sa sig sin ska skall som till under upp ut vad var vara vi vid vilken vilket",
    "danish": "ad af alle at da de dem den denne der det dette dig din du efter eller en er et for fra ham han har hende hun hvad hvem hvis "
    "hvor hvordan hvornar i ikke ind jeg kan man med meget men mig min mod nar nogen noget nu og ogsa om op os over pa sig sin skal som til "
    "ud under var ved vi vil vaere",
    "norwegian": "at av da de deg dem den denne der det dette din du eller en enn er et etter for fra ha han har hennes hun hva hvem hvis "
    "hvor hvordan hvorfor i ikke inn jeg kan kunne man med meg men mer min mot na nar noe noen nok og ogsa om opp oss over pa seg selv sin skal som "
    "til ut var ved vi vil vaere",
    "plain": "",
}
_DECIMAL_POINT = frozenset(("english", "plain"))
LEAST_FOUND = 3  # words of a language that tell it from English, in one document
_UMLAUT = re.compile(r"(?<![aeiouq])([aou])e")
_own = local()


@dataclass(frozen=True)
class Language:
    """One language: its name, words that are no terms, and whether a comma begins decimals ("4.000" is four thousand then)."""

    name: str
    decimal_comma: bool

    @cached_property
    def stop_words(self) -> frozenset[str]:
        """Return the words that carry no meaning."""
        return frozenset(_STOP_WORDS[self.name].split())

    def spelled(self, word: str) -> str:
        """Return a word with one spelling of umlauts: Fruehstueck is Frühstück, whose dots are gone already."""
        return _UMLAUT.sub(r"\1", word) if self.name == "german" else word

    def stem(self, word: str) -> str:
        """Return a word without its ending. Each thread has stemmers of its own, for they keep their word in themselves."""
        if self.name == "plain":
            return word
        stemmers = _own.__dict__
        if self.name not in stemmers:
            stemmers[self.name] = Stemmer(self.name, 0)
        return stemmers[self.name].stemWord(word)


LANGUAGES = {name: Language(name, name not in _DECIMAL_POINT) for name in _STOP_WORDS}


def language_of(words: Iterable[str]) -> str:
    """Return the language whose small words a text has most of; English unless another has at least twice as many."""
    counts = dict.fromkeys(LANGUAGES, 0)
    for word in words:
        for name, language in LANGUAGES.items():
            counts[name] += word in language.stop_words
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] >= max(LEAST_FOUND, 2 * counts["english"]) else "english"
