"""A process that is warm: jobs loaded, connections open, told by Postgres that there is work.

It is a second way into the same jobs, not a second implementation: sensors and schedules remain, and take
over where no runner lives.
"""
