"""The images of the servers, those of compose.yaml."""

KAFKA = "apache/kafka:4.3.1"
POSTGRES = "postgres:18.4"
S3 = "rclone/rclone:1.75.2"
