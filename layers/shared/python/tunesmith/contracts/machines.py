"""What the machines have on which jobs run: what may be asked for, and what the templates say."""

MOST_VCPUS = 64
"""Of one job: as many as a compute environment may start."""
MOST_MEMORY_GIB = 240
"""Of one job: of the 256 that a machine of so many vCPUs has, the system and the agent of ECS need the rest."""
DISK_GIB = 200
"""Of each machine."""
NODE_VCPUS = 8
"""Of an m7i.2xlarge: one of several machines that work together is taken whole."""
NODE_MEMORY_MIB = 28 * 1_024
"""Of its 32 GiB, as above."""
