"""A claim of the prose, in notebook and pages, beside the condition that must bear it out."""

from IPython.display import Markdown, display


def check(condition: bool, claim: str, strict: bool = True) -> None:
    """Stop where a claim, told in a sentence below, does not hold: RuntimeError with the claim.

    Not ``strict``, where networks are trained afresh, a note under the cell says so instead.
    """
    if condition:
        return
    if strict:
        raise RuntimeError(f"no longer true, write it anew: {claim}")
    display(Markdown(f"*Not so in this run:* {claim}."))
