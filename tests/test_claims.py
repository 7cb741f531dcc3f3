"""A claim of the notebook stops it where it no longer holds, or is marked where it need not."""

import pytest

from helpers.report import claims


def test_a_claim_that_no_longer_holds_stops_or_in_a_run_that_trains_afresh_is_marked(monkeypatch):
    shown = []
    monkeypatch.setattr(claims, "display", lambda text: shown.append(text.data))
    for strict in (True, False):
        claims.check(True, "one is one", strict=strict)
    with pytest.raises(RuntimeError, match="write it anew: one is two"):
        claims.check(1 == 2, "one is two")
    claims.check(1 == 2, "one is two", strict=False)
    assert shown == ["*Not so in this run:* one is two."]
