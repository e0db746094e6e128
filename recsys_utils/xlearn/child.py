"""The process in which xLearn runs. It imports nothing of this package, so that it starts at once.

Run by `recsys_utils.xlearn` in a folder that holds the data files and ``job.json``.
"""
import json
import os
import shutil
import sys
import threading
import time

NOT_IMPORTABLE = 86


def end_with_the_parent() -> None:
    """Wait until the other end of standard input is closed, then take the folder along: nobody else will."""
    os.read(0, 1)
    shutil.rmtree(os.getcwd(), ignore_errors=True)
    os._exit(1)


def main() -> int:
    """Do the job of the current folder: train on one file, predict another."""
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    # xLearn's optional wrapper would import scikit-learn, which takes seconds and is not used here.
    sys.modules["sklearn"] = None
    try:
        import xlearn
    except Exception as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return NOT_IMPORTABLE
    with open("job.json", encoding="utf-8") as file:
        job = json.load(file)
    machine = getattr(xlearn, f"create_{job['model']}")()
    machine.setTrain("train.txt")
    if job["validation"]:
        machine.setValidate("validation.txt")
    for switch in job["switches"]:
        getattr(machine, switch)()
    start = time.perf_counter()
    machine.fit(job["parameters"], "model.out")
    seconds = time.perf_counter() - start
    machine.setTest("test.txt")
    machine.predict("model.out", "predictions.txt")
    with open("seconds.txt", "w", encoding="ascii") as file:
        file.write(str(seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
