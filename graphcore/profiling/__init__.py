"""Where the time of a run goes: counted on the interpreted tier, sampled on the fused one."""

from graphcore.profiling.profile import NodeProfile, Profile, SourceProfile
from graphcore.profiling.profiler import Profiler

__all__ = ["NodeProfile", "Profile", "Profiler", "SourceProfile"]
