"""A lost password of the page: what docs/page.md says is done, word for word, in the booted appliance."""

import re
import subprocess

import pytest

from tests.appliance.container import REPOSITORY, Container
from tests.appliance.demo import FIRST_PASSWORD
from tests.appliance.plant import ADAPTER, KAFKA, SINK, WEB, Plant

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(180)]
RECIPE = re.compile(r"### A lost password\n.*?```\n(.*?)```", re.DOTALL)
CHANGED_HASH = "/var/lib/streamforge/state/streamforge-web/admin-password-hash"
ENTERED, REFUSED = "303", "403"


def login(container: Container, password: str) -> str:
    """The page's status code for a try as `admin`."""
    page = f"https://{container.address}"
    words = ["curl", "--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}",
             "--header", f"Origin: {page}", "--data-urlencode", "user=admin",
             "--data-urlencode", f"password={password}", f"{page}/login"]  # fmt: skip
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def test_the_recipe_gives_a_new_password_and_disturbs_nothing_else(plant: Plant) -> None:
    (old,) = FIRST_PASSWORD.findall(plant.container.console())
    assert login(plant.container, old) == ENTERED
    plant.shell(f"cp /var/lib/streamforge/credentials/admin-password-hash {CHANGED_HASH}")  # as one changed on the page
    others = {unit: plant.main_process(unit) for unit in (KAFKA, ADAPTER, SINK)}

    found = RECIPE.search((REPOSITORY / "docs/page.md").read_text(encoding="utf-8"))
    assert found
    plant.shell(f"set -e\n{found[1]}")

    plant.wait("the page", lambda: plant.is_well(WEB))
    new = FIRST_PASSWORD.findall(plant.container.console())[-1]
    assert new != old
    assert login(plant.container, new) == ENTERED
    assert login(plant.container, old) == REFUSED
    assert {unit: plant.main_process(unit) for unit in others} == others
