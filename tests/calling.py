"""A client of the API in this process, as a program on this machine."""

from __future__ import annotations

from fastapi.testclient import TestClient

from api import api


def here(**choices) -> TestClient:
    return TestClient(api, client=("127.0.0.1", 50000), base_url="http://127.0.0.1:8501", **choices)
