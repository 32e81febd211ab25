"""What MCAP files, ROS 1 bags and ROS 2 bags have in common: containers, definitions, messages, streams."""
