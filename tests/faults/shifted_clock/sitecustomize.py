"""Shifts the wall clock of every Python process that finds this module on its path.

The shift is a number of seconds, a double, in the file that ``MINFLEET_TEST_CLOCK`` names; it can
be changed at any time. Clocks that only go forward (``time.monotonic``) are left alone, as a
system's administrator leaves them.
"""

import ctypes
import datetime as dt
import gc
import mmap
import os
import struct
import time

with open(os.environ["MINFLEET_TEST_CLOCK"], "rb") as _file:
    _shift = mmap.mmap(_file.fileno(), 8, access=mmap.ACCESS_READ)

_time, _time_ns, _now, _utcnow = time.time, time.time_ns, dt.datetime.now, dt.datetime.utcnow


def _shift_s():
    return struct.unpack("d", _shift[:8])[0]


def _replace(kind, name, function):
    """Replace a method of a class that is written in C."""
    gc.get_referents(kind.__dict__)[0][name] = classmethod(function)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))


time.time = lambda: _time() + _shift_s()
time.time_ns = lambda: _time_ns() + int(_shift_s() * 1e9)
_replace(dt.datetime, "now", lambda kind, tz=None: _now(tz) + dt.timedelta(seconds=_shift_s()))
_replace(dt.datetime, "utcnow", lambda kind: _utcnow() + dt.timedelta(seconds=_shift_s()))
