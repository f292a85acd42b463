// FeatureNetworks
