#!/bin/bash
# check-pages.sh [--shots FOLDER] [PAGE...]: opens pages of runs in headless Chromium, at 400 and at 1200 pixels. A page
# is good if every picture decodes, nothing is wider than the window, nothing is loaded from elsewhere, and the console
# is empty.
# Without pages it makes some of made-up runs. --shots keeps screenshots. Without Chromium it says so and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
shots=
if [[ ${1-} == --shots ]]; then
  shots=$2
  mkdir -p "$shots"
  shift 2
fi

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
[[ -n $browser ]] || { echo "check-pages: no chromium; 'make deps-dev' installs it" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "check-pages: $*" >&2; exit 1; }

pages=("$@")
if ((${#pages[@]} == 0)); then
  python3 -B pipelines/tests/synthetic.py "$work/made"
  pages=("$work"/made/*.html "$work"/made/*/report.html)
fi

open() {
  timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
    --user-data-dir="$work/profile" --no-first-run --disable-extensions --disable-background-networking \
    --host-resolver-rules='MAP * ~NOTFOUND' --virtual-time-budget=20000 "$@"
}

# The probe opens the page in a frame of the given width, since a window cannot be narrower than 500 pixels, and says
# what it saw.
probe() {
  python3 - "$1" "$2" >"$work/probe.html" <<'PROBE'
import html, sys
with open(sys.argv[1], encoding="utf-8") as file:
    page = file.read()
print(f"""<!DOCTYPE html><title>probe</title><style>body {{ margin: 0 }}</style>
<iframe width="{sys.argv[2]}" height="7000" style="border:0" srcdoc="{html.escape(page)}"></iframe><p id="found">none</p>
<script>
addEventListener("load", () => {{
  const page = document.querySelector("iframe").contentDocument;
  for (const one of page.querySelectorAll("details")) one.open = true;
  const pictures = [...page.images];
  const width = page.documentElement.clientWidth;
  const wide = [...page.querySelectorAll("body *")].filter(one => one.getBoundingClientRect().right > width + 1);
  document.getElementById("found").textContent = [
    "pictures", pictures.length, "broken", pictures.filter(picture => !(picture.naturalWidth > 0)).length,
    "curves", page.querySelectorAll("svg polyline").length, "width", width, "wide",
    wide.length ? wide.slice(0, 3).map(one => one.tagName + "." + one.className).join(",") : 0].join(" ");
}});
</script>""")
PROBE
  open --enable-logging=stderr --dump-dom "file://$work/probe.html" 2>"$work/console" | grep -oP '(?<=id="found">)[^<]*'
}

for page in "${pages[@]}"; do
  [[ -s $page ]] || fail "no page $page"
  if grep -qE '(src|href)="(https?:)?//|url\(|@import' "$page"; then fail "$page: something is loaded from elsewhere"; fi
  for width in 400 1200; do
    found=$(probe "$page" "$width") || fail "$page: Chromium shows nothing at $width pixels"
    if grep -E 'CONSOLE' "$work/console"; then fail "$page: the console is not empty at $width pixels"; fi
    echo "$page at $width pixels: $found"
    [[ $found =~ ^pictures\ [1-9][0-9]*\ broken\ 0\ curves\ [1-9][0-9]*\ width\ $width\ wide\ 0$ ]] || fail "$page: see above"
    if [[ -n $shots ]]; then
      name=$(basename "$(dirname "$page")")-$(basename "$page" .html)-$width
      shoot=$work/probe.html
      if ((width > 500)); then shoot=$(realpath "$page"); fi
      open --window-size="$((width > 500 ? width : 500)),7000" --screenshot="$shots/$name.png" "file://$shoot" 2>/dev/null
    fi
  done
done
echo "check-pages: all is well"
