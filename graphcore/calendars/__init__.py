"""Calendars and clocks on the wall: zones, opening hours, the spans of bars."""

from graphcore.calendars.grids import grid_of
from graphcore.calendars.hours import Hours, TimeOfDay, hours_of
from graphcore.calendars.zones import Zone

__all__ = ["Hours", "TimeOfDay", "Zone", "grid_of", "hours_of"]
