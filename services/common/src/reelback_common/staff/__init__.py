"""What the services have in common that members of staff work with: roles, queues of decisions, the audit log."""
