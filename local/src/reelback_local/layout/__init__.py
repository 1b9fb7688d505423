"""What the local stack consists of, and where: the folder, the chart's values, ports, the plan of processes."""
