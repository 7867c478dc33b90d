"""Several machines as one: the ports by which the Ray of a multi-node job speaks, inside its security group alone.

Each node has a range of its own, so that nodes may share a machine, as they do on a laptop.
"""

FEWEST_NODES, MOST_NODES = 2, 8
FIRST_PORT = 20_000
PORTS_PER_NODE = 100
FIRST_PORT_NAME = "TUNESMITH_FIRST_PORT"
"""Environment variable that says where the ranges of a job begin, where several jobs share a machine."""
LAST_PORT = FIRST_PORT + MOST_NODES * PORTS_PER_NODE - 1
