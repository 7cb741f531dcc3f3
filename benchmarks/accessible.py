"""Can everybody read the page? ``python benchmarks/accessible.py PAGE AXE CHROMIUM``.

axe-core (AXE: its axe.min.js) looks at PAGE in a headless browser, as wide as on a desk and in
the layout of a phone. A line for each element that breaks a rule, and exit code 1.
"""

import html
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ASK = "axe.run().then(r => document.body.textContent = `AXE${JSON.stringify(r.violations)}AXE`)"


def violations(page: Path, rules: str, browser: str, width: int) -> list[str]:
    """What is wrong at ``width`` pixels; SystemExit where the browser gives no answer."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "page.html"
        copy.write_text(f"{page.read_text('utf-8')}<script>{rules}\n{ASK}</script>", "utf-8")
        look = [f"--window-size={width},900", f"--user-data-dir={folder}", "--disable-gpu"]
        look += ["--no-sandbox"] * (os.geteuid() == 0)  # root is refused a sandbox
        call = [browser, "--headless", *look, "--virtual-time-budget=100000", "--dump-dom"]
        seen = subprocess.run([*call, copy.as_uri()], capture_output=True, text=True)
    if not (answer := re.search("AXE(\\[.*\\])AXE", html.unescape(seen.stdout), re.DOTALL)):
        sys.exit(f"{browser}: axe-core gave no answer\n{seen.stderr[-500:]}")
    broken = json.loads(answer[1])
    return [f"{width}: {b['help']}: {n['html'][:150]}" for b in broken for n in b["nodes"]]


if __name__ == "__main__":
    page, axe = map(Path, sys.argv[1:3])
    rules, browser = axe.read_text("utf-8"), sys.argv[3]
    found = [line for width in (1200, 500) for line in violations(page, rules, browser, width)]
    sys.exit("\n".join(found) or print(f"{page}: axe-core finds nothing wrong"))
