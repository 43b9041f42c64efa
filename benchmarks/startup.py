"""What users wait for before anything happens, against `import tensorflow`.

python benchmarks/startup.py [--rounds 9]
"""

import argparse
import subprocess
import sys
import time

import arms

ARMS = {
    "import tensorflow": ["-c", "import tensorflow"],
    "import kerasdl": ["-c", "import kerasdl"],
    "svhn --help": ["-m", "kerasdl.apps.svhn", "--help"],
    "a wrong model name": ["-m", "kerasdl.apps.svhn", "--models", "lenet"],
}


def make(arguments):
    def run():
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
        return time.perf_counter() - started

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    seconds = arms.interleave({n: make(a) for n, a in ARMS.items()}, options.rounds)
    arms.show("Whole processes, medians", {"all": seconds}, base="import tensorflow")


if __name__ == "__main__":
    main()
