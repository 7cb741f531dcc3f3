"""A claim of the notebook's prose beside the condition that must bear it out."""

from IPython.display import Markdown, display


def check(condition: bool, claim: str, strict: bool = True) -> None:
    """Stop where a claim, told in a sentence below, does not hold: AssertionError with the claim.

    Not ``strict``, where networks are trained afresh, a note under the cell says so instead.
    """
    if condition:
        return
    if strict:
        raise AssertionError(f"no longer true, write it anew: {claim}")
    display(Markdown(f"*Not so in this run:* {claim}."))
