"""Subscriptions with a meaning of their own: signs of life, and the mark of a topic subscriber.

Nothing is ever published under them. `graphcore_zmq.write.peers` says what signs of life are for.
"""

SUBSCRIBE, UNSUBSCRIBE = b"\1", b"\0"

# A real topic ends with its only zero byte, so none is equal to one of these.
SIGNING = b"gc1\0signs"
ALIVE = b"gc1\0alive"
DONE = b"gc1\0done"
# A subscriber of topics is counted by this one subscription, however many topics it names. A socket
# that connects sends its subscriptions in the order of their bytes, and no UTF-8 text begins with
# this byte, so this subscription comes after those of all topics.
TOPICS = b"\xffgc1 topics"
