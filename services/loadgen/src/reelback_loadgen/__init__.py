"""Players for the stack: they register, deposit, spin and look at what they have, at a steady rate."""

from gevent import monkey

monkey.patch_all()  # before anything else is imported: Locust's players are greenlets
