"""How a page looks to those who see it otherwise: axe-core, dark colours, a narrow screen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page, ViewportSize

AXE = Path(__file__).resolve().parents[2] / "node_modules/axe-core/axe.min.js"

WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 360, "height": 740}
LOOKS: list[tuple[Literal["light", "dark"], ViewportSize]] = [("light", WIDE), ("dark", NARROW)]

# Evaluated by the browser's tools, so that the page's security policy stays in force.
RUN = """async () => {
  // Colours that are on their way from light to dark are nobody's to judge.
  const ends = (one) => one.effect.getComputedTiming().endTime !== Infinity;
  for (let moving; (moving = document.getAnimations().filter(ends)).length > 0; ) {
    await Promise.allSettled(moving.map(({ finished }) => finished));
  }
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, help, nodes }) => [id, help, ...nodes.map((one) => `${one.target}: ${one.failureSummary}`)]);
}"""
SIDEWAYS = """() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  return wide > 0 ? wide : 0;
}"""


@dataclass
class Seen:
    """What was seen while the portal was set up."""

    address: str
    faults: list[Any]
    refusal: str = ""
    question: str = ""
    faults_after_refusal: list[Any] = field(default_factory=list)
    address_afterwards: str = ""


def look_at(page: Page, axe: str) -> list[Any]:
    """The faults of a page: what axe-core finds serious or critical, light and wide as well as dark and
    narrow, and whether it has to be scrolled sideways."""
    faults: list[Any] = []
    page.evaluate(axe)
    for scheme, size in LOOKS:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        faults += [(scheme, size["width"], *fault) for fault in page.evaluate(RUN)]
        if sideways := page.evaluate(SIDEWAYS):
            faults.append((scheme, size["width"], f"{sideways} pixels too wide"))
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size(WIDE)
    return faults
