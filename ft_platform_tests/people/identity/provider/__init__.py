"""The provider `oidc-provider`, which the OpenID Foundation has certified. `scripts/install_clients.sh FOLDER` installs
it, `FT_TEST_CLIENTS` names the folder."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2

FOLDER = Path(os.environ.get("FT_TEST_CLIENTS", "/nonexistent"))
INSTALLED = (FOLDER / "node_modules" / "oidc-provider").is_dir()
START_SECONDS = 60


@contextmanager
def provider(port: int, ui: str, folder: Path) -> Iterator[str]:
    """The provider, for an installation whose UI is at `ui`; yields its address."""
    node = FOLDER / "bin" / "node"
    program = shutil.copy(Path(__file__).with_name("provider.mjs"), FOLDER / f"provider-{port}.mjs")
    with (folder / "provider.log").open("w") as log:
        process = subprocess.Popen(
            [node if node.is_file() else "node", program, str(port), ui], cwd=FOLDER, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with socket.socket() as asking:
                if asking.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None and time.monotonic() < deadline, (folder / "provider.log").read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
        Path(program).unlink()


def sign_in(browser: httpx2.Client, address: str, login: str, *, back: bool = True) -> httpx2.Response:
    """Follows redirects from an address of the UI, and signs in at the provider. Returns the first answer that is
    neither a redirect nor a form of the provider.

    Args:
        back: False: the answer that sends the browser back with a code, which is not followed.
    """
    ui, answer = urlsplit(address).netloc, browser.get(address)
    for _ in range(20):
        if answer.is_redirect:
            where = urljoin(str(answer.url), answer.headers["location"])
            if urlsplit(where).netloc == ui and (urlsplit(where).path != "/auth/callback" or not back):
                return answer
            answer = browser.get(where)
        elif "/interaction/" in str(answer.url):
            action = unescape(re.findall(r'action="([^"]+)"', answer.text)[0])
            prompt = re.findall(r'name="prompt" value="(\w+)"', answer.text)[0]
            fields = {"prompt": prompt, "login": login, "password": "any"}
            answer = browser.post(urljoin(str(answer.url), action), data=fields)
        else:
            return answer
    raise AssertionError("the sign-in does not end")
