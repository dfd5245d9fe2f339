"""The proving ground: faults done to real components, judged by what was acknowledged and what stands afterwards."""
