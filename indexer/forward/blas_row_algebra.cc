#include "indexer/forward/blas_row_algebra.h"

#include <cblas.h>
// A C header reached through this one may define it.
#undef I

#include <algorithm>
#include <cstdint>

#include "schema/error.h"

// LAPACK's, which Debian's OpenBLAS has: eigenvalues of a symmetric matrix, ascending, and its eigenvectors in its
// place.
extern "C" void dsyevd_(const char* job, const char* triangle, const blasint* order, double* matrix,
                        const blasint* stride, double* values, double* work, const blasint* work_size,
                        blasint* integers, const blasint* integer_count, blasint* info);

namespace actkin {
namespace {

blasint BlasSize(std::size_t size) { return static_cast<blasint>(size); }

// In place of a symmetric matrix, of which the lower triangle of its columns is read: eigenvectors one after another,
// that of the smallest eigenvalue first.
void FindEigenvectors(std::vector<double>& matrix, std::size_t order) {
  const blasint size = BlasSize(order);
  std::vector<double> values(order);
  blasint info = 0;
  double work_size = 0;
  blasint integer_count = 0;
  constexpr blasint kHowMuch = -1;
  dsyevd_("V", "L", &size, matrix.data(), &size, values.data(), &work_size, &kHowMuch, &integer_count, &kHowMuch,
          &info);
  std::vector<double> work(static_cast<std::size_t>(work_size));
  std::vector<blasint> integers(static_cast<std::size_t>(integer_count));
  const blasint given = BlasSize(work.size());
  dsyevd_("V", "L", &size, matrix.data(), &size, values.data(), work.data(), &given, integers.data(), &integer_count,
          &info);
  if (info != 0) Fail("the principal axes: LAPACK finds no eigenvectors (dsyevd: {})", info);
}

}  // namespace

// Eigenvectors of the covariance matrix, largest eigenvalue first.
PrincipalAxes BlasRowAlgebra::FindPrincipalAxes(std::span<const float> rows, std::size_t dimension,
                                                std::size_t axis_count) const {
  const std::size_t row_count = rows.size() / dimension;
  std::vector<double> center(dimension);
  for (std::size_t row = 0; row < row_count; ++row) {
    for (std::size_t i = 0; i < dimension; ++i) center[i] += rows[row * dimension + i];
  }
  for (double& number : center) number /= static_cast<double>(row_count);
  std::vector<double> centered(row_count * dimension);
  for (std::size_t row = 0; row < row_count; ++row) {
    for (std::size_t i = 0; i < dimension; ++i) centered[row * dimension + i] = rows[row * dimension + i] - center[i];
  }
  std::vector<double> vectors(dimension * dimension);
  // Columns are LAPACK's: the upper triangle of the rows.
  cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, BlasSize(dimension), BlasSize(row_count), 1.0, centered.data(),
              BlasSize(dimension), 0.0, vectors.data(), BlasSize(dimension));
  FindEigenvectors(vectors, dimension);
  PrincipalAxes found{{center.begin(), center.end()}, {}};
  const std::size_t count = std::min(axis_count, dimension);
  found.axes.reserve(count * dimension);
  for (std::size_t axis = 0; axis < count; ++axis) {
    const auto vector = vectors.begin() + static_cast<std::ptrdiff_t>((dimension - 1 - axis) * dimension);
    found.axes.insert(found.axes.end(), vector, vector + static_cast<std::ptrdiff_t>(dimension));
  }
  return found;
}

void BlasRowAlgebra::Project(std::span<const float> rows, std::span<const float> axes, std::size_t dimension,
                             std::span<float> coordinates) const {
  const blasint width = BlasSize(dimension);
  const blasint axis_count = BlasSize(axes.size() / dimension);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, BlasSize(rows.size() / dimension), axis_count, width, 1.0F,
              rows.data(), width, axes.data(), width, 0.0F, coordinates.data(), axis_count);
}

void BlasRowAlgebra::Subtract(std::span<const float> coordinates, std::span<const float> axes, std::size_t dimension,
                              std::span<float> rows) const {
  const blasint width = BlasSize(dimension);
  const blasint axis_count = BlasSize(axes.size() / dimension);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, BlasSize(rows.size() / dimension), width, axis_count, -1.0F,
              coordinates.data(), axis_count, axes.data(), width, 1.0F, rows.data(), width);
}

}  // namespace actkin
