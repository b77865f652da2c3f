"""`make dst`: the exam over many seeds.

python -m tests.dst --seeds 10000            # seeds 0 … 9999, on every core
python -m tests.dst --seed 4711              # one seed again, exactly as it was
"""

import argparse
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from shared.observability import logger
from tests.dst.exam import Outcome, examine

CHUNK = 20


def examine_all(seeds: range, workers: int) -> Iterator[Outcome]:
    """Outcomes as they come; with one worker in this process."""
    if workers == 1:
        quieten()
        yield from map(examine, seeds)
        return
    with ProcessPoolExecutor(workers, initializer=quieten) as pool:
        yield from pool.map(examine, seeds, chunksize=CHUNK)


def quieten() -> None:
    """The handlers' logs would be all one sees."""
    warnings.simplefilter("ignore")
    logger.setLevel("CRITICAL")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="only this one, with all it found")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    if asked.seed is not None:
        quieten()
        outcome = examine(asked.seed)
        print(outcome)
        sys.exit(bool(outcome.violations))
    _many(range(asked.first, asked.first + asked.seeds), asked.workers)


def _many(seeds: range, workers: int) -> None:
    start, died = time.monotonic(), Counter[str]()
    messages = invocations = redriven = wrong = done = 0
    for outcome in examine_all(seeds, workers):
        done += 1
        messages += outcome.messages
        invocations += outcome.invocations
        redriven += outcome.redriven
        died.update(outcome.failed)
        for violation in outcome.violations:
            print(f"\nseed {outcome.seed}: {violation}\n  again: python -m tests.dst --seed {outcome.seed}")
        wrong += bool(outcome.violations)
        if done % CHUNK == 0 and sys.stderr.isatty():
            print(f"\r{done} of {len(seeds)} seeds", end="", file=sys.stderr, flush=True)
    took = time.monotonic() - start
    print(f"\n{done:,} seeds, {wrong:,} with violations; {done / took:.1f} seeds/s on {workers} processes")
    print(f"{messages:,} messages, {invocations:,} invocations, of which failed: {dict(died)}")
    print(f"{redriven:,} good messages went to the dead-letter queue and came back by redrive")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
