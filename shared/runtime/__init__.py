"""What every process has: settings, health, logging, and which errors are transient."""
