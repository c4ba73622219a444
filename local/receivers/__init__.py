"""The parts of the inbox: how Notification Manager and Alertmanager read requests and answer."""
