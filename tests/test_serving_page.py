"""The page at / in a real Chromium, against a real server."""

import base64
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from patience import PATIENCE

pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")

from PIL import Image
from playwright import sync_api
from playwright.sync_api import expect
from serving_fakes import Server
from serving_page_fakes import DIGITS, models_folder

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu"]
expect.set_options(timeout=PATIENCE * 1000)
MIDDLE = re.compile("^[45]$")
"""The answer to a line in the middle, between two tenths."""


@pytest.fixture(scope="module")
def browser():
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"none of {', '.join(PROGRAMS)} is installed")
    with sync_api.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(browser, tmp_path_factory):
    server = Server(models_folder(tmp_path_factory))
    server.url = f"http://127.0.0.1:{server.port}"
    yield server
    assert server.stop() == 0


@pytest.fixture
def visit(browser, server):
    """Opens the page; no error of it and no request to elsewhere is overlooked."""
    contexts, wrong = [], []

    def open_page(model="mnist", version="", state="ready", script="", **settings):
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **settings})
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if expected(line) else None)
        page.on("request", lambda one: None if local(one.url) else wrong.append(one.url))
        page.add_init_script(script)
        page.sent = []
        page.on("request", lambda one: page.sent.append(one) if one.method == "POST" else None)
        page.goto(f"{server.url}/#model={model}&version={version}")
        expect(page.locator("#state")).to_have_text(state)
        return page

    def expected(line):
        # The browser itself logs every answer with an error's status.
        return line.type in ("error", "warning") and "Failed to load resource" not in line.text

    def local(url):
        return url.startswith((server.url, "data:", "blob:"))

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def draw(page, *points, up=True):
    """Draws a line through points in 0..1 of the drawing area."""
    page.locator("#pad").scroll_into_view_if_needed()
    box = page.locator("#pad").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places:
        page.mouse.move(*place)
    if up:
        page.mouse.up()


def line_at(page, x, **settings):
    draw(page, (x, 0.2), (x, 0.5), (x, 0.8), **settings)


def pixels(page, canvas):
    """A canvas's pixels, (h, w, 4)."""
    found = page.evaluate(
        """id => {
            const canvas = document.getElementById(id), {width, height} = canvas;
            const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
            return [height, width, [...data]];
        }""",
        canvas,
    )
    return np.array(found[2], np.uint8).reshape(found[0], found[1], 4)


def settle(page):
    """Waits until everything that was asked is answered."""
    open_requests = -1
    while open_requests:
        page.wait_for_timeout(150)
        open_requests = sum(one.response() is None for one in page.sent[-1:])
        before = len(page.sent)
        page.wait_for_timeout(150)
        open_requests += len(page.sent) - before


def body(page):
    return json.loads(page.sent[-1].post_data)


def label(page, text):
    expect(page.locator("#label")).to_have_text(text)


SCRIBBLE = """x => {
    const pad = document.getElementById("pad"), box = pad.getBoundingClientRect();
    for (let step = 0; step < 300; step++) {
        const [right, down] = [x * box.width, (0.05 + 0.9 * (step % 2)) * box.height];
        pad.dispatchEvent(new PointerEvent("pointermove", {
            clientX: box.left + right, clientY: box.top + down, isPrimary: true, buttons: 1}));
    }
}"""


def test_probabilities_move_while_a_person_draws(visit):
    page = visit()
    page.uncheck("#centre")
    line_at(page, 0.15, up=False)
    label(page, "1")
    before = len(page.sent)
    page.evaluate(SCRIBBLE, 0.85)  # 300 movements at once
    label(page, "8")
    assert len(page.sent) - before < 10
    best = page.locator("#bars .best")
    expect(best).to_have_count(1)
    assert best.locator(".name").inner_text() == "8"
    values = page.locator("#bars .value").all_inner_texts()
    assert sum(float(value.removesuffix(" %")) for value in values) == pytest.approx(100, abs=0.5)
    page.mouse.up()
    expect(page.locator("#spoken")).to_have_text(re.compile(r"^8, \d+\.\d+ %$"))
    assert "ms there and back" in page.locator("#latency").inner_text()


def test_what_is_shown_is_what_the_model_saw(visit):
    page = visit()
    line_at(page, 0.86)
    label(page, MIDDLE)  # centred
    settle(page)
    seen = pixels(page, "seen")
    sent = np.array(body(page)["instances"][0])
    assert sent.shape == (28, 28, 1)
    assert np.array_equal(seen[..., :3], np.repeat(sent, 3, 2))
    assert sent.max() > 200
    rows, columns = np.nonzero(sent[..., 0] > 24)
    assert (rows.min(), rows.max()) == (4, 23)  # a box of 20 x 20 in the middle
    assert abs(columns.mean() - 13.5) < 1
    page.uncheck("#centre")
    label(page, "8")
    page.check("#invert")
    expect(page.locator("#label")).not_to_have_text("8")
    assert np.array(body(page)["instances"][0])[0, 0, 0] == 255
    page.click("#undo")
    label(page, "–")
    assert page.locator("#clear").is_disabled()


def test_grad_cam_lies_over_the_pixels_where_the_model_has_it(visit):
    page = visit()
    line_at(page, 0.5)
    expect(page.locator("#heat")).to_be_visible()
    settle(page)
    assert body(page)["signature_name"] == "serving_explain"
    heat = pixels(page, "heat")[..., 3]
    # The model's heat map is the picture itself.
    assert np.abs(heat - 215 / 255 * pixels(page, "seen")[..., 0]).max() <= 1
    assert heat.max() > 150
    page.uncheck("#explain")
    expect(page.locator("#heat")).to_be_hidden()
    assert body(page)["signature_name"] == "serving_default"
    page.select_option("#model", "colours")
    expect(page.locator("#explain-note")).to_be_visible()
    assert page.locator("#explain").is_disabled()


def test_models_versions_and_colours_can_be_chosen(visit, server):
    page = visit()
    options = page.locator("#version option").all_inner_texts()
    assert options == ["newest (2)", "stable (1)", "version 2", "version 1"]
    line_at(page, 0.5)
    page.select_option("#version", "/labels/stable")
    label(page, MIDDLE)
    expect(page.locator("#curl")).to_contain_text("/v1/models/mnist/labels/stable:predict")
    assert page.sent[-1].url == f"{server.url}/v1/models/mnist/labels/stable:predict"
    page.select_option("#model", "colours")
    expect(page.locator("#ink")).to_be_visible()
    page.fill("#paper", "#ff0000")
    label(page, "red")
    assert np.array(body(page)["instances"][0]).shape == (8, 8, 3)
    page.fill("#ink", "#00ff00")
    page.fill("#pen", "16")
    for x in (0.1, 0.3, 0.5, 0.7, 0.9):
        draw(page, (x, 0), (x, 1))
    label(page, "green")
    assert page.locator("#bars .name").all_inner_texts() == ["red", "green", "blue"]
    assert "model=colours" in page.evaluate("location.hash")
    page.select_option("#model", "floats")
    label(page, "class 1")
    expect(page.locator("#scores")).to_be_visible()
    assert np.array(body(page)["instances"][0]).shape == (6, 4)
    page.select_option("#range", "1")
    expect(page.locator("#bars .best .value")).to_have_text(re.compile(r"^[3-6]\d\.\d %$"))


@pytest.mark.parametrize("model", ["mnist", "colours"])
def test_the_line_for_curl_works(visit, model):
    page = visit(model)
    line_at(page, 0.5)
    expect(page.locator("#label")).not_to_have_text("–")
    settle(page)
    shown = page.locator("#bars .best .value").inner_text()
    line = page.locator("#curl").inner_text()
    assert len(line) < 4000
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=PATIENCE)
    [answer] = json.loads(done.stdout)["predictions"]
    assert answer["labels"] == page.locator("#label").inner_text()
    assert 100 * max(answer["probabilities"]) == pytest.approx(float(shown[:-2]), abs=0.06)


def picture(kind="PNG", size=(91, 60)):
    image = Image.fromarray(np.random.default_rng(3).integers(0, 256, (9, 14, 3), np.uint8))
    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.BICUBIC).save(buffer, kind)
    return buffer.getvalue()


def test_a_picture_becomes_the_same_pixels_here_and_in_the_model(visit, tmp_path, monkeypatch):
    page = visit()
    name = "it's a picture.png"
    (tmp_path / name).write_bytes(picture())
    page.set_input_files("#file", tmp_path / name)
    expect(page.locator("#label")).not_to_have_text("–")
    settle(page)
    here = page.locator("#bars .value").all_inner_texts()
    assert np.array(body(page)["instances"][0]).shape == (28, 28, 1)
    page.select_option("#send", "file")
    expect(page.locator("#seen-note")).to_contain_text("The model decodes")
    sent = body(page)
    assert sent["signature_name"] == "serving_bytes"
    assert base64.b64decode(sent["instances"][0]["b64"]) == picture()
    assert page.locator("#bars .value").all_inner_texts() == here
    monkeypatch.chdir(tmp_path)
    line = page.locator("#curl").inner_text()
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=PATIENCE)
    assert json.loads(done.stdout)["predictions"][0]["labels"] == page.inner_text("#label")
    line_at(page, 0.9)  # over the picture: the file does not have it
    expect(page.locator("#send")).to_have_value("pixels")
    expect(page.locator("#heat")).to_be_visible()


GIVE = """([how, type, content]) => {
    const bytes = Uint8Array.from(atob(content), one => one.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], "given", {type}));
    const target = document.getElementById("pad"), bubbles = true, cancelable = true;
    if (how === "drop") target.dispatchEvent(
        new DragEvent("drop", {dataTransfer: transfer, bubbles, cancelable}));
    else target.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer, bubbles}));
}"""


def give(page, how, type, content):
    page.evaluate(GIVE, [how, type, base64.b64encode(content).decode()])


def test_pictures_are_dropped_and_pasted_and_bad_ones_are_named(visit):
    page = visit()
    for how in ("drop", "paste"):
        give(page, how, "image/png", picture())
        expect(page.locator("#label")).not_to_have_text("–")
        page.click("#clear")
        label(page, "–")
    problem = page.locator("#problem")
    give(page, "drop", "text/html", b"<script>alert(1)</script>")
    expect(problem).to_have_text(
        "Expected a picture: PNG, JPEG, WebP, GIF or BMP. Received: text/html"
    )
    give(page, "drop", "image/png", picture()[:60])
    expect(problem).to_have_text("given cannot be read: it is damaged or too large.")
    give(page, "paste", "image/jpeg", picture("JPEG"))
    expect(problem).to_be_hidden()
    expect(page.locator("#label")).not_to_have_text("–")


HOLD = """
const real = window.fetch;
window.held = [];
window.hold = true;
window.fetch = (path, settings) => window.hold && path.endsWith(":predict")
    ? new Promise(resolve => window.held.push(resolve)) : real(path, settings);
"""


def test_only_the_last_answer_counts(visit):
    page = visit(script=HOLD)
    page.uncheck("#centre")
    draw(page, (0.15, 0.1), (0.15, 0.4), (0.15, 0.6), (0.15, 0.9))
    page.wait_for_function("held.length > 0")
    page.wait_for_timeout(100)
    assert page.evaluate("held.length") == 1  # one at a time
    page.evaluate("hold = false")
    page.click("#clear")
    line_at(page, 0.15)
    label(page, "1")
    page.evaluate(
        """() => held[0](new Response(JSON.stringify({predictions: [
            {probabilities: [0, 0, 0, 0, 0, 0, 0, 0, 0, 1], labels: "9", classes: 9}]})))"""
    )
    page.wait_for_timeout(200)
    label(page, "1")


def test_a_busy_and_a_lost_server_are_told_and_come_back(visit):
    page = visit()
    answers = [{"status": 503, "headers": {"Retry-After": "1"}, "json": {"error": "too much"}}]

    def answer(route):
        route.fulfill(**answers.pop()) if answers else route.fallback()

    page.route("**/*:predict", answer)
    line_at(page, 0.5)
    expect(page.locator("#problem")).to_contain_text("The server is busy (503): too much.")
    label(page, MIDDLE)
    expect(page.locator("#problem")).to_be_hidden()
    page.context.set_offline(True)
    page.click("#invert")
    expect(page.locator("#problem")).to_contain_text("The server does not answer.")
    expect(page.locator("#state")).to_have_text("gone")
    page.context.set_offline(False)
    expect(page.locator("#state")).to_have_text("ready")
    expect(page.locator("#problem")).to_be_hidden()


def test_a_model_without_images_is_told(visit):
    page = visit("half", state="no images")
    expect(page.locator("#problem")).to_contain_text("half has no signature for images")
    line_at(page, 0.5)
    page.select_option("#model", "mnist")
    label(page, MIDDLE)
    expect(page.locator("#problem")).to_be_hidden()


def test_a_server_with_a_key(visit):
    page = visit(state="ready")
    seen = []

    def answer(route):
        seen.append(route.request.headers.get("authorization"))
        good = seen[-1] == "Bearer a-key"
        route.fallback() if good else route.fulfill(status=401, json={"error": "a key"})

    page.route("**/v1/**", answer)
    page.reload()
    expect(page.locator("#state")).to_have_text("key needed")
    expect(page.get_by_label("This server asks for a key:")).to_be_focused()
    page.keyboard.type("a-key")
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_have_text("ready")
    expect(page.locator("#key-form")).to_be_hidden()
    line_at(page, 0.5)
    label(page, MIDDLE)
    expect(page.locator("#curl")).to_contain_text('-H "Authorization: Bearer $KEY"')


def test_by_keyboard(visit):
    page = visit()
    for _ in range(9):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "pad":
            break
    expect(page.locator("#pad")).to_be_focused()
    for key in ("Shift+ArrowUp", "Shift+ArrowUp", "Space", *["Shift+ArrowDown"] * 4):
        page.keyboard.press(key)
    expect(page.locator("#cursor")).to_be_visible()
    page.keyboard.press("Space")
    expect(page.locator("#spoken")).to_have_text(re.compile("^[45], "))
    page.keyboard.press("Control+z")
    label(page, "–")
    names = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, canvas[role]")]
            .filter(one => !(one.labels?.length || one.textContent.trim()
                || one.getAttribute("aria-label"))).map(one => one.id)"""
    )
    assert names == []


def test_on_a_phone_in_the_dark(visit):
    page = visit(
        viewport={"width": 360, "height": 740}, color_scheme="dark", has_touch=True, is_mobile=True
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.tap("#pad")
    expect(page.locator("#label")).not_to_have_text("–")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    box = page.locator("#label").bounding_box()
    assert box["y"] + box["height"] < 740  # seen beside the drawing without scrolling
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", background))) < 40
    light = visit().evaluate("getComputedStyle(document.body).backgroundColor")
    assert min(map(int, re.findall(r"\d+", light))) > 200


def test_nothing_foreign_runs(browser, server):
    policy = server.http.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = browser.new_page()
    page.goto(server.url)
    ran = page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            return window.ran ?? false;
        }"""
    )
    page.close()
    assert ran is False


def test_names_of_classes_that_the_server_lists(visit):
    page = visit()
    line_at(page, 0.5)
    label(page, MIDDLE)
    assert page.locator("#bars .name").all_inner_texts() == DIGITS
    page.select_option("#version", "/versions/1")  # it has no card
    expect(page.locator("#bars .name").nth(9)).to_have_text("class 9")
