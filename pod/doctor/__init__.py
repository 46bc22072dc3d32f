"""`pod doctor`: is this machine fit for containers, and which line mends what is not; changes nothing."""
