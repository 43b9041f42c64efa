"""Versions come, go and are damaged while requests are answered."""

import hashlib
import json
import os
import shutil
import threading
import time

import pytest
from serving_fakes import models_folder, serving


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The models as they were made; never touched."""
    return models_folder(tmp_path_factory)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, made):
    """What the server serves; it changes."""
    base = tmp_path_factory.mktemp("served")
    shutil.copytree(made / "half", base / "half")
    return base


@pytest.fixture(scope="module")
def server(folder):
    options = ("--poll-seconds", 0.1, "--keep-versions", 2, "--batch-size", 4)
    with serving(folder, *options) as running:
        yield running


def publish(source, base, name, version, damage=None):
    """Writes a version under a name that is no number, damages it, and renames it."""
    (base / name).mkdir(exist_ok=True)
    part = base / name / f".part-{version}"
    shutil.copytree(source, part)
    if damage is not None:
        damage(part)
    os.rename(part, base / name / str(version))


def states(server, name):
    answer = server.http.get(f"/v1/models/{name}")
    return {
        int(one["version"]): (one["state"], one["status"]["error_message"])
        for one in answer.json().get("model_version_status", [])
    }


def state(server, name, version):
    return states(server, name).get(version, ("", ""))[0]


class Traffic:
    """Asks without a pause, and notes what is no 200."""

    def __init__(self, server, path="/v1/models/half:predict"):
        self.server, self.path = server, path
        self.bad, self.count = [], 0
        self.going = True
        self.threads = [threading.Thread(target=self._ask) for _ in range(2)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.going = False
        for thread in self.threads:
            thread.join()

    def _ask(self):
        while self.going:
            answer = self.server.http.post(self.path, json={"instances": [2.0]})
            self.count += 1
            time.sleep(0.005)  # leaves the processor to what is tested
            if answer.status_code != 200 or answer.json() != {"predictions": [3.0]}:
                self.bad.append(answer.text)


def test_new_versions_replace_old_ones_without_a_failed_request(server, folder, made):
    with Traffic(server) as traffic:
        for version in (2, 3, 4):
            publish(made / "half" / "1", folder, "half", version)
            server.until(lambda v=version: state(server, "half", v) == "AVAILABLE")
            server.until(lambda v=version: set(states(server, "half")) == {v, v - 1})
    assert traffic.bad == []
    assert traffic.count > 10
    # What is kept stays addressable, what went is not.
    assert server.predict("half", {"inputs": 2.0}, "/versions/3")[0] == 200
    assert server.predict("half", {"inputs": 2.0}, "/versions/1")[0] == 404
    shutil.rmtree(folder / "half" / "3")
    server.until(lambda: 3 not in states(server, "half"))


def test_labels_follow_their_file_and_only_to_what_is_served(server, folder):
    labels = folder / "half" / "labels.json"

    def label(text):
        part = labels.with_suffix(".part")
        part.write_text(text)
        part.rename(labels)

    def asks(name):
        return server.predict("half", {"inputs": 2.0}, f"/labels/{name}")[0]

    label('{"stable": 4}')
    server.until(lambda: asks("stable") == 200)
    status = server.http.get("/v1/models/half/labels/stable").json()
    assert [one["version"] for one in status["model_version_status"]] == ["4"]
    label('{"stable": 99, "canary": 99}')
    server.until(lambda: asks("canary") == 404)
    assert asks("stable") == 200  # stays where it was until 99 is served
    label("{]")
    server.until(lambda: "labels.json" in server.text())
    assert asks("stable") == 200
    label("{}")
    server.until(lambda: asks("stable") == 400)


def cut(name):
    def damage(part):
        size = (part / name).stat().st_size
        os.truncate(part / name, size // 2)

    return damage


def flip(name, place):
    """Flips one bit at a share of the file."""

    def damage(part):
        content = bytearray((part / name).read_bytes())
        content[int(place * len(content))] ^= 1
        (part / name).write_bytes(content)

    return damage


def remove(name):
    return lambda part: (part / name).unlink()


WEIGHTS, INDEX = "variables/variables.data-00000-of-00001", "variables/variables.index"
DAMAGES = {
    "no graph": remove("saved_model.pb"),
    "half a graph": cut("saved_model.pb"),
    "no weights": remove(WEIGHTS),
    "half the weights": cut(WEIGHTS),
    "half an index": cut(INDEX),
    "a bit of the graph": flip("saved_model.pb", 0.5),
    "a bit of the graph's end": flip("saved_model.pb", 0.97),
    "a bit of the weights": flip(WEIGHTS, 0.01),
    "a bit of the index": flip(INDEX, 0.3),
    "empty": lambda part: shutil.rmtree(part) or part.mkdir(),
    "text": lambda part: (part / "saved_model.pb").write_text("hello"),
    "warm-up": lambda part: (
        (part / "assets.extra").mkdir(),
        (part / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"x" * 99),
    ),
}


def add_card(part):
    names = ("saved_model.pb", WEIGHTS, INDEX)
    sums = {name: hashlib.sha256((part / name).read_bytes()).hexdigest() for name in names}
    card = {"kind": "kerasdl-model-card", "sha256": sums}
    (part / "card.json").write_text(json.dumps(card))


def carded(damage):
    def both(part):
        add_card(part)
        damage(part)

    return both


def card_of(text):
    return lambda part: (part / "card.json").write_text(text)


# The list of operations' names, which the graph does not need and no fingerprint covers.
DAMAGES["a bit beside the graph"] = carded(flip("saved_model.pb", 0.003))
DAMAGES["a card that is no JSON"] = card_of("{")
DAMAGES["a card without sums"] = card_of('{"kind": "kerasdl-model-card"}')
DAMAGES["a card about other folders"] = card_of(
    '{"kind": "kerasdl-model-card", "sha256": {"../1/saved_model.pb": "", "saved_model.pb": ""}}'
)


def test_damaged_versions_are_reported_and_never_served(server, folder, made):
    with Traffic(server) as traffic:
        for number, case in enumerate(DAMAGES):
            publish(made / "half" / "1", folder, "half", 10 + number, DAMAGES[case])
        last = 9 + len(DAMAGES)
        for number, case in enumerate(DAMAGES):
            server.until(lambda n=number: state(server, "half", 10 + n) == "END")
            message = states(server, "half")[10 + number][1]
            assert message, case
            assert str(folder) not in message
    assert traffic.bad == []
    publish(made / "half" / "1", folder, "half", last + 1, add_card)
    server.until(lambda: state(server, "half", last + 1) == "AVAILABLE")
    assert server.predict("half", {"inputs": 2.0}) == (200, {"outputs": 3.0})
    code = server.http.get(f"/v1/models/half/versions/{last}").json()
    assert code["model_version_status"][0]["status"]["error_code"] != "OK"
    assert server.http.get("/readyz").status_code == 200


def test_a_version_that_is_still_being_copied_is_tried_again(server, folder, made):
    part = folder / "images" / "1"
    part.mkdir(parents=True)
    shutil.copy(made / "images" / "1" / "saved_model.pb", part)
    server.until(lambda: state(server, "images", 1) == "END")
    assert server.http.get("/readyz").json()["models_not_served"] == ["images"]
    shutil.copytree(made / "images" / "1", part, dirs_exist_ok=True)
    server.until(lambda: state(server, "images", 1) == "AVAILABLE")


def test_a_model_that_reads_files_is_not_served(server, folder, made):
    publish(made / ".apart" / "reader", folder, "reader", 1)
    server.until(lambda: state(server, "reader", 1) == "END")
    message = states(server, "reader")[1][1]
    assert "ReadFile" in message
    assert "--allow-operations" in message


def test_warm_up_requests_are_run_and_must_succeed(server, folder, made):
    publish(made / ".apart" / "warm", folder, "rows", 1)
    publish(made / ".apart" / "burnt", folder, "rows", 2)
    server.until(lambda: state(server, "rows", 1) == "AVAILABLE")
    server.until(lambda: state(server, "rows", 2) == "END")
    assert "a negative row" in states(server, "rows")[2][1]


def test_a_model_whose_folder_goes_is_gone(server, folder, made):
    publish(made / "half" / "1", folder, "gone", 1)
    server.until(lambda: state(server, "gone", 1) == "AVAILABLE")
    assert server.predict("gone", {"inputs": 2.0})[0] == 200
    shutil.rmtree(folder / "gone")
    server.until(lambda: server.http.get("/v1/models/gone").status_code == 404)
    server.until(lambda: "gone version 1 is not served any more" in server.text())
    names = {model["name"] for model in server.http.get("/v1/models").json()["models"]}
    assert "gone" not in names
