#!/bin/sh
# site.sh [FOLDER]: these pages as a site of plain HTML (default: build/site), with a search that needs no server. Python 3 is all that it takes.
set -eu
docs=$(cd "$(dirname "$0")" && pwd)
output=${1:-build/site}
python3 "$docs/site.py" "$docs/.." "$output"
echo "$output/index.html"
