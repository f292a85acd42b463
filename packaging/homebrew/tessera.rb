# example.org stands for the place where the project is published.
class Tessera < Formula
  desc "Train, sample and judge autoregressive image generators over vector-quantised tokens"
  homepage "https://example.org/tessera"
  url "https://example.org/tessera/archive/v0.1.0.tar.gz"
  license "Apache-2.0"

  depends_on "pkgconf" => :build
  depends_on "swift" => :build
  depends_on "jpeg-turbo"
  depends_on "libarchive"
  depends_on "libpng"
  depends_on :linux
  depends_on "onednn"
  depends_on "openblas"
  depends_on "openssl@3"
  depends_on "zstd"

  def install
    system "swift", "build", "-c", "release", "--disable-sandbox"
    tools = Dir["Tests/Snapshots/*.txt"].map { |file| File.basename(file, ".txt") }
    system "scripts/install.sh", prefix, ".build/release", *tools
  end

  test do
    assert_match "Tessera", shell_output("#{bin}/train-ar --version")
  end
end
