"""Sizes, points and boxes in pixels."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Size: TypeAlias = tuple[int, int]
Point: TypeAlias = tuple[float, float]


class Box(NamedTuple):
    """An upright rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def of(cls, size: Size) -> Box:
        """Return the box that covers an image of `size`."""
        return cls(0, 0, *size)

    @property
    def size(self) -> Size:
        """The width and height in whole pixels, at least one."""
        return max(1, round(self.right - self.left)), max(1, round(self.bottom - self.top))

    @property
    def corner(self) -> tuple[int, int]:
        """The upper left corner in whole pixels."""
        return round(self.left), round(self.top)

    def point(self, across: float, down: float) -> Point:
        """Return the point at the given shares of the width and height."""
        width, height = self.right - self.left, self.bottom - self.top
        return self.left + across * width, self.top + down * height

    def part(self, left: float, top: float, right: float, bottom: float) -> Box:
        """Return the box between the given shares of the width and height."""
        return Box(*self.point(left, top), *self.point(right, bottom))
