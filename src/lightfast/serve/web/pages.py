"""The pages for people: each is HTML that uses nothing but the REST of this server."""

from __future__ import annotations

from fastapi import APIRouter

page_routes = APIRouter()
