from __future__ import annotations

import pytest

from leadops_tests.sandbox.hubspot.account import Account


@pytest.fixture
def account() -> Account:
    return Account()
