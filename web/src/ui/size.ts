const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

/** A number of bytes, given as text since it may exceed 2^53, for people. */
export function readableBytes(bytes: string | null | undefined, locale: string): string {
  if (bytes === null || bytes === undefined) return '–';
  let value = Number(bytes);
  let step = 0;
  while (value >= 1000 && step < units.length - 1) {
    value /= 1000;
    step += 1;
  }
  const unit = units[step] ?? 'byte';
  return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'short', maximumSignificantDigits: 3 }).format(value);
}

/** A number of MiB for people. */
export function readableMib(mib: number | null, locale: string): string {
  return readableBytes(mib === null ? null : String(mib * 1_048_576), locale);
}

/** `PT2H30M` for people; what is not understood is shown as it is. */
export function readableDuration(iso: string): string {
  const parts = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(iso);
  if (!parts) return iso;
  const names = ['d', 'h', 'min', 's'];
  const shown = parts.slice(1).flatMap((value, at) => (value && value !== '0' ? [`${value} ${names[at]}`] : []));
  return shown.length > 0 ? shown.join(' ') : '0 s';
}

/** Seconds for people. */
export function readableSeconds(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds % 86_400) / 3_600);
  const minutes = Math.floor((seconds % 3_600) / 60);
  return readableDuration(`P${days}DT${hours}H${minutes}M${seconds % 60}S`);
}
