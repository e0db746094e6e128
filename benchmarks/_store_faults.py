"""Lists whose content tells generation and user, and writers to be killed: for tests and for the benchmark."""

import os
import time

import numpy as np

N_ITEMS, N_USERS, LENGTH = 5000, 40, 100
ITEMS = 10 * np.arange(N_ITEMS)
POPULAR = (ITEMS[:LENGTH], np.arange(LENGTH, 0, -1.0))


def lists(number: int, users) -> tuple[np.ndarray, np.ndarray]:
    """Item ids and scores of `users` in generation `number`: no two generations share one."""
    rows = (1000 * number + 7 * np.asarray(users)[:, None] + np.arange(LENGTH)) % N_ITEMS
    return ITEMS[rows], np.broadcast_to(number - np.arange(LENGTH) / LENGTH, rows.shape)


def write_generation(store, n_users=N_USERS, batch=10) -> int:
    """Write and commit one generation."""
    writer = store.begin(ITEMS, POPULAR)
    for start in range(0, n_users, batch):
        users = np.arange(start, min(start + batch, n_users))
        writer.write(users, *lists(writer.number, users))
    return writer.commit()


def torn(store, n_users=N_USERS) -> list[str]:
    """What is wrong with the served generation: nothing, unless a list is missing or is another generation's."""
    answers = store.get_many(range(n_users))
    numbers = {answer.generation for answer in answers}
    wrong = [] if len(numbers) == 1 else [f"generations mixed: {numbers}"]
    for user, answer in enumerate(answers):
        if answer.source == "popular":
            wrong.append(f"the list of user {user} is lost")
        elif (answer.item_ids != lists(answer.generation, [user])[0][0]).any():
            wrong.append(f"user {user} has a list that generation {answer.generation} never held")
    return wrong


def kill_writer(open_store, delay: float) -> tuple[int, bool]:
    """Fork a process that writes generations without end, and kill it after `delay` seconds.

    Returns the last commit that it reported (0: none), and whether it was alive to be killed.
    """
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with open_store() as store:
                for _ in range(10_000):
                    os.write(send, b"%d\n" % write_generation(store))
                    store.expire(keep=2)
        finally:
            os._exit(1)
    os.close(send)
    with os.fdopen(receive, "rb") as reports:
        time.sleep(delay)
        alive = os.waitpid(child, os.WNOHANG) == (0, 0)
        if alive:
            os.kill(child, 9)
            os.waitpid(child, 0)
        numbers = [int(line) for line in reports.read().split(b"\n") if line]
    return (numbers[-1] if numbers else 0), alive


class _Died(Exception):
    """The writer is gone."""


def writer_dies(open_store, requests: int) -> bool:
    """Write and expire through DynamoDB's client until it has sent `requests`; whether it got that far.

    dynalite itself ends when a client is killed in the middle of a request, so this writer stops between two.
    """
    left = requests

    def count(**_):
        nonlocal left
        left -= 1
        if left < 0:
            raise _Died

    with open_store() as store:
        store._client.meta.events.register("before-call.dynamodb", count)
        try:
            write_generation(store)
            store.expire(keep=1)
        except _Died:
            return True
    return False
