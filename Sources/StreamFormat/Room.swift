// StreamFormat
