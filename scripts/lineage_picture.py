"""Takes pictures of Dagster's UI in a real browser, and presses the materialize button.

Needs `make ui` running, Chromium with its driver, and `pip install selenium`:

    python scripts/lineage_picture.py --url http://127.0.0.1:3000 --use-case complaint_routing
"""

import argparse
import base64
import shutil
import time
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


MARGIN = 12
AREA = """
const boxes = [...document.querySelectorAll(arguments[0])].map(e => e.getBoundingClientRect());
return [Math.min(...boxes.map(b => b.left)), Math.min(...boxes.map(b => b.top)), Math.max(...boxes.map(b => b.right)), Math.max(...boxes.map(b => b.bottom))];
"""  # noqa: E501


def browser(width: int, height: int) -> webdriver.Chrome:
    options = Options()
    for flag in [*FLAGS, f"--window-size={width},{height}"]:
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def wait_for_text(driver: webdriver.Chrome, text: str, seconds: float = 60) -> None:
    WebDriverWait(driver, seconds).until(lambda d: text in d.find_element(By.TAG_NAME, "body").text)


def picture_of_page(
    driver: webdriver.Chrome, url: str, expected: str, target: Path, settle_seconds: float = 6, only: str = ""
) -> None:
    """A picture of a page, or of the smallest part that holds all elements of the CSS selector `only`, with a
    margin."""
    driver.get(url)
    wait_for_text(driver, expected)
    time.sleep(settle_seconds)
    # The sign-up dialog of a first visit, where `nux` is on. In one script: the page replaces its buttons while it is
    # looked at.
    if driver.execute_script(
        "const b = [...document.querySelectorAll('button')].find(b => b.innerText === 'Skip'); b?.click(); return !!b"
    ):
        time.sleep(1)
    if only:
        left, top, right, bottom = driver.execute_script(AREA, only)
        clip = {
            "x": left - MARGIN,
            "y": top - MARGIN,
            "width": right - left + 2 * MARGIN,
            "height": bottom - top + 2 * MARGIN,
            "scale": 1,
        }
        target.write_bytes(
            base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "clip": clip})["data"])
        )
    else:
        driver.save_screenshot(str(target))
    print(f"{target}: {url}")


def press_materialize(driver: webdriver.Chrome, url: str, asset: str, seconds: float = 60) -> None:
    """Opens the page of an asset and presses its button, as a person does.

    Raises:
        TimeoutException: the UI did not say within `seconds` that it launched a run.
    """
    driver.get(url)
    wait_for_text(driver, asset, seconds)
    wait = WebDriverWait(driver, seconds, ignored_exceptions=[StaleElementReferenceException])
    button = wait.until(
        lambda d: next((b for b in d.find_elements(By.TAG_NAME, "button") if b.text.startswith("Materialize")), None)
    )
    assert button is not None
    button.click()
    wait_for_text(driver, "Launched run", seconds)  # "Runs" and "View" stand on every page
    time.sleep(3)
    print(f"materialization of {asset} was started with the button")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:3000")
    parser.add_argument("--use-case", default="complaint_routing")
    parser.add_argument("--output", type=Path, default=Path("dist/pictures"))
    parser.add_argument(
        "--press", default="fairness_report", help="asset whose materialize button is pressed; empty: none"
    )
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    name = arguments.use_case
    driver = browser(2900, 1900)
    try:
        lineage = f"{arguments.url}/locations/__repository__@ft_platform/asset-groups/{name}/lineage"
        picture_of_page(driver, lineage, "adapter_checkpoint", arguments.output / "lineage.png", only="foreignObject")
        picture_of_page(
            driver,
            f"{arguments.url}/assets/{name}/evaluation_report",
            "Latest materialization",
            arguments.output / "asset_page.png",
        )
        picture_of_page(
            driver, f"{arguments.url}/assets/{name}/splits?view=checks", "no_leakage", arguments.output / "checks.png"
        )
        if arguments.press:
            press_materialize(driver, f"{arguments.url}/assets/{name}/{arguments.press}", arguments.press)
            driver.save_screenshot(str(arguments.output / "button.png"))
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
