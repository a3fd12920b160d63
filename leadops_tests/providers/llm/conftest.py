from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openai.resources.chat  # noqa: F401 - seconds that no test of patience shall be charged with
import pytest

from leadops.providers.llm.openai import OpenAIWriter
from leadops.sandbox.openai import OpenAISandbox
from leadops_tests.providers.llm.asking import KEY, PLAYBOOK, TUESDAY, writer_for
from leadops_tests.providers.llm.serving import Served, serving


@pytest.fixture
def sandbox() -> OpenAISandbox:
    return OpenAISandbox(lambda: TUESDAY, KEY)


@pytest.fixture
def served(sandbox: OpenAISandbox) -> Iterator[Served]:
    with serving(sandbox) as found:
        yield found


Made = Callable[..., OpenAIWriter]


@pytest.fixture
def made_by(served: Served) -> Iterator[Made]:
    """Writers that ask the served sandbox; keyword arguments are fields of the playbook's writer section."""
    made: list[OpenAIWriter] = []

    def build(key: str | None = KEY, url: str | None = None, **config: Any) -> OpenAIWriter:
        made.append(writer_for(url or f"{served.url}/v1", key, PLAYBOOK, **config))
        return made[-1]

    yield build
    for writer in made:
        writer.close()
