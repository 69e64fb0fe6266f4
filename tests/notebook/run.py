"""Runs the notebook examples/pi/pi.ipynb, and writes what it prints and its plot.

Usage: python run.py FOLDER, with the address and the token in the environment, as the notebook reads them.
"""

import base64
import pathlib
import sys

import nbformat
from nbclient import NotebookClient

ROOT = pathlib.Path(__file__).resolve().parents[2]
folder = pathlib.Path(sys.argv[1])

notebook = nbformat.read(ROOT / "examples" / "pi" / "pi.ipynb", as_version=4)
NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
for cell in notebook.cells:
    for output in cell.get("outputs", ()):
        if output.output_type == "stream" and output.name == "stdout":
            print(output.text, end="")
        picture = output.get("data", {}).get("image/png")
        if picture:
            (folder / "pi.png").write_bytes(base64.b64decode(picture))
