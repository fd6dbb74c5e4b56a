"""Ask for doses and units in another spelling than the documents', among documents that differ in the number alone.

    python bench/quantities.py [--words] [--json]

Before is the analyzer before this one (index/analysis/tokens_1.py), after is today's: the same documents, model and fusion. `--words` leaves
the vectors out. A question counts when the one right document is first, alone in its place. Everything is computed here, without a database.
"""

import argparse
import json
from collections.abc import Mapping, Sequence

import numpy as np

from kb_platform.index.analysis.analyzers import ANALYZERS, BEFORE, Analyzer
from kb_platform.index.embed import load_bundled_embedder
from kb_platform.index.fusion import DEFAULTS, Candidate, FusionParameters, fuse
from kb_platform.index.lexical import question_terms, weigh_document, weigh_question

# a sentence, what stands in it by turns, and questions, each with the number of the one that it asks for
GROUPS: Sequence[tuple[str, Sequence[str], Sequence[tuple[str, int]]]] = (
    ("Amoxicillin {} capsules are kept in the second drawer of the cabinet.", ("250mg", "500mg", "875mg"),
     (("amoxicillin 500 mg", 1), ("amoxicillin 875 milligrams", 2), ("where are amoxicillin 0.25 g capsules", 0), ("amoxicillin capsules 500-mg", 1))),
    ("Draw blood cultures {} after the start of treatment.", ("24h", "48h", "72h"),
     (("blood cultures after 48 hours", 1), ("cultures 72 h", 2), ("cultures after 3 days", 2), ("24-hour cultures", 0))),
    ("Heparin {} units are given as a bolus before the catheter.", ("2,500", "4 000", "5\u00a0000", "10000"),
     (("heparin 4000 units", 1), ("heparin 5,000 IU bolus", 2), ("heparin 2500 U", 0), ("10 000 units of heparin", 3), ("10,000 IU heparin bolus", 3))),
    ("Start levothyroxine at {} once daily on an empty stomach.", ("25 \u00b5g", "50 mcg", "100 micrograms", "125\u03bcg"),
     (("levothyroxine 50 \u00b5g", 1), ("levothyroxine 100mcg", 2), ("levothyroxine 25 micrograms", 0), ("levothyroxine 0.125 mg", 3))),
    ("Lorazepam {} mg may be repeated once for agitation.", (".5", "1.0", "2", "4"),
     (("lorazepam 0.5 mg", 0), ("lorazepam 1 mg", 1), ("lorazepam 2mg", 2), ("lorazepam 500 mcg", 0))),
    ("Morphine {} mg is the range for adults with severe pain.", ("2.5\u20135", "5-10", "10 to 20"),
     (("morphine 5 to 10 mg", 1), ("morphine 10-20mg", 2), ("morphine between 2.5 and 5 mg", 0), ("morphine 5\u201310 mg", 1))),
    ("Transfuse platelets when the count is below {} and there is bleeding.", ("10 x 10^9/L", "50 \u00d7 10\u2079/L", "100x10*9/L"),
     (("platelets below 50 x 10^9/L", 1), ("platelets below 10\u00d710\u2079/L", 0), ("platelet count 100 \u00d7 10\u2079/l", 2))),
    ("Flush the line with sodium chloride {} after each use.", ("0.45%", "0.9 %", "3 per cent"),
     (("sodium chloride 0.9% flush", 1), ("sodium chloride 3%", 2), ("sodium chloride .45 %", 0))),
    ("Gentamicin {} is the daily dose; take a level before the next.", ("3mg/kg", "5 mg/kg", "7 mg per kg"),
     (("gentamicin 5mg/kg", 1), ("gentamicin 7 mg/kg", 2), ("gentamicin 3 mg kg\u207b\u00b9", 0))),
    ("Children {} years are given half of the dose.", ("<2", "<5", ">12"),
     (("children under 5 years dose", 1), ("children less than 2 years", 0), ("children over 12 years", 2))),
    ("Adrenaline {} is drawn up for this indication.", ("1:1000", "1:10,000", "1:100,000"),
     (("adrenaline 1:10000", 1), ("adrenaline 1:1,000", 0), ("adrenaline 1 : 100000", 2))),
    ("Call the doctor when the blood pressure is {} mmHg or worse.", ("90/60", "160/100", "180/120"),
     (("blood pressure 180/120", 2), ("blood pressure 90 / 60 mm Hg", 0), ("pressure 160/100mmHg", 1))),
    ("Paracetamol is withheld above {} in this protocol.", ("37.5\u00b0C", "38 \u00b0C", "38.5 degrees Celsius"),
     (("paracetamol 38.5 \u00b0C", 2), ("paracetamol protocol 38\u2103", 1), ("paracetamol 37.5 C", 0))),
    ("A base excess of {} mmol/L is treated by the registrar.", ("-5", "+5", "-10"),
     (("base excess \u22125 mmol/L", 0), ("base excess of +5", 1), ("base excess -10", 2))),
    ("Potassium chloride {} in the bag runs over four hours.", ("20 mmol/500 mL", "40 mmol/1 L", "10mmol/100ml"),
     (("potassium chloride 40 mmol per litre", 1), ("potassium chloride 20mmol in 500ml", 0), ("potassium 10 mmol in 100 mL", 2))),
    ("Docetaxel {} every third week.", ("60 mg/m2", "75mg/m\u00b2", "100 mg/m^2"),
     (("docetaxel 75 mg/m2", 1), ("docetaxel 100mg/m\u00b2", 2), ("docetaxel 60 mg/m\u00b2", 0))),
    ("Take {} of the warfarin on Mondays.", ("\u00bd tablet", "1 tablet", "1\u00bd tablets"),
     (("warfarin half, 1/2 tablet", 0), ("warfarin 1.5 tablets", 2), ("warfarin 0.5 tablet", 0))),
    ("Ceftriaxone {} is given by slow injection.", ("1 g", "2g", "4 grams"),
     (("ceftriaxone 2000 mg", 1), ("ceftriaxone 1g", 0), ("ceftriaxone 4 g", 2))),
    ("Infuse {} of the fluid over the first hour.", ("250ml", "500 mL", "1 litre"),
     (("infuse 1000 ml fluid", 2), ("infuse 250 millilitres", 0), ("fluid 0.5 L first hour", 1))),
    ("Type 2 diabetes is coded {} in this list.", ("E11.2", "E11.9", "E10.9"),
     (("diabetes code E11.9", 1), ("diabetes coded E11.2", 0), ("E10.9", 2))),
)


def documents() -> list[str]:
    """Return the documents of all groups."""
    return [sentence.format(value) for sentence, values, _ in GROUPS for value in values]


def questions() -> list[tuple[str, int]]:
    """Return each question with the number of its document."""
    found, first = [], 0
    for _, values, asked in GROUPS:
        found += [(question, first + number) for question, number in asked]
        first += len(values)
    return found


def is_first(scores: Mapping[int, float], right: int) -> bool:
    """Tell whether the right document is ahead of all others."""
    return all(scores[right] > score for number, score in scores.items() if number != right)


def found_first(analyzer: Analyzer, cosines: np.ndarray, params: FusionParameters) -> list[bool]:
    """Return for each question whether its document is first."""
    weighed = [dict(zip(*weigh_document({"body": text}, analyzer), strict=True)) for text in documents()]
    answers = []
    for (question, right), cosine in zip(questions(), cosines, strict=True):
        terms = question_terms(question, analyzer)
        df = {term: sum(term in chunk for chunk in weighed) for term in terms}
        weights = weigh_question(terms, df, len(weighed)).weights
        lexical = [sum(weight * chunk.get(term, 0) for term, weight in weights.items()) for chunk in weighed]
        answers.append(is_first(dict(fuse((Candidate(n, float(cosine[n]), lexical[n]) for n in range(len(weighed))), params)), right))
    return answers


def main() -> None:
    """Measure both analyzers, and print what each finds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", action="store_true", help="without vectors")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    asked = questions()
    if args.words:
        cosines, params = np.zeros((len(asked), len(documents()))), FusionParameters(dense_weight=0)
    else:
        embedder = load_bundled_embedder()
        cosines, params = embedder.embed_queries([question for question, _ in asked]) @ embedder.embed(documents()).T, DEFAULTS
    before, after = (found_first(analyzer, cosines, params) for analyzer in (BEFORE, ANALYZERS["english"]))
    lost = [question for (question, _), found in zip(asked, after, strict=True) if not found]
    worse = [question for (question, _), was, found in zip(asked, before, after, strict=True) if was and not found]
    report = {"documents": len(documents()), "questions": len(asked), "before": sum(before), "after": sum(after), "not_first": lost, "worse": worse}
    if args.json:
        print(json.dumps(report))
    else:
        print(f"{report['questions']} questions, {report['documents']} documents: first before {report['before']}, after {report['after']}")
        print(f"not first: {lost}\nworse than before: {worse}")


if __name__ == "__main__":
    main()
