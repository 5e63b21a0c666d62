"""Who a person is: users of this installation, the provider of the organization, a trusted proxy, service tokens."""
