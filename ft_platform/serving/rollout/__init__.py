"""How a new release takes over at our own server: on a share of the traffic first, and back again if it does harm."""
