"""What runs inside gdb: commands are given to it, and what it knows is made into values. No other room imports gdb."""
