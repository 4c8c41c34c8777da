"""Calendars and clocks on the wall: zones, opening hours, the sessions of exchanges."""

from graphcore.calendars.hours import Hours, TimeOfDay, hours_of
from graphcore.calendars.zones import Zone

__all__ = ["Hours", "TimeOfDay", "Zone", "hours_of"]
