"""How one process hands another what has large arrays: in memory that both see, and only the rest through a pipe."""

import mmap
import pickle
from typing import Any, NamedTuple

TRAY_BYTES = 16 << 20
ALIGNED = 64


class Parcel(NamedTuple):
    """A value without its arrays' bytes, and where in the tray these lie."""

    pickled: bytes
    places: list[tuple[slice, bool]]
    """Each with whether it must not be written to: bytes are bytes again."""


class Tray:
    """Room for one value at a time. Made before the processes are forked; pages that nobody uses cost nothing."""

    def __init__(self, size: int = TRAY_BYTES):
        self._memory = memoryview(mmap.mmap(-1, size))

    def put(self, value: Any) -> Parcel:
        """Lay the bytes of arrays here (PEP 574) as long as there is room; what was here before is gone."""
        places: list[tuple[slice, bool]] = []
        end = 0

        def lay(buffer: pickle.PickleBuffer) -> bool:
            """Whether it goes with the rest."""
            nonlocal end
            content = buffer.raw()
            place = slice(end, end + content.nbytes)
            if place.stop > len(self._memory):
                return True
            self._memory[place] = content
            places.append((place, content.readonly))
            end = -(-place.stop // ALIGNED) * ALIGNED
            return False

        return Parcel(pickle.dumps(value, protocol=5, buffer_callback=lay), places)

    def take(self, parcel: Parcel) -> Any:
        """The value, with bytes of its own: the tray may be used again."""
        copies = [(bytes if is_readonly else bytearray)(self._memory[place]) for place, is_readonly in parcel.places]
        return pickle.loads(parcel.pickled, buffers=copies)
