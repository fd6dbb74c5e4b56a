"""Versions of the code that turns documents into rows, apart from the code so that the catalog can name them at no cost.

Raise one with every change of what the step makes of the same input: deliveries then count as not applied yet, and Dagster shows
what was made by older code.
"""

PARSER_VERSION = "parse-5"  # what a document's text is
CHUNKER_VERSION = "outline-2"  # where it is cut, and what stands in front of each chunk
TOKENIZER_VERSION = "tokens-2"  # which terms a text has; releases of the one before are asked through index/analysis/tokens_1.py
