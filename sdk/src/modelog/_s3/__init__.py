"""The S3 side of the store. Private: anything here may change in any release."""
